"""What stands beside the estimates of one model, in the order it is asked."""
