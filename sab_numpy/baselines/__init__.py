"""What SAB is compared with."""
