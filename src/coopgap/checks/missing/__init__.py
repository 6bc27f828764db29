"""Missing answers: worst-case bounds, multiple imputation, shifted imputations."""
