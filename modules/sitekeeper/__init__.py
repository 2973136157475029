"""sitekeeper backs up, verifies and restores Microsoft Configuration Manager sites from a Linux control host."""
