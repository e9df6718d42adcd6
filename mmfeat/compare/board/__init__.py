"""The leaderboard: runs judged side by side, kept over comparisons; and two runs in detail."""
