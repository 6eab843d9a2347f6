"""What Drivers are asked, and what they may answer."""
