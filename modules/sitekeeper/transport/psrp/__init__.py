"""PowerShell remoting over WinRM: one session a host for the whole run."""
