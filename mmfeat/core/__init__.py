"""What knows nothing of the job: files, locks, threads, memory, addresses, clusters, plug-ins."""
