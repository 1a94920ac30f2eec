"""The same model behind other servers, as their own documentation shows it; they store nothing. Run by benchmarks.peers."""
