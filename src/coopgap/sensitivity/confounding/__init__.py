"""How strong an unmeasured confounder would have to be, each answer in its module."""
