# Weighted linear model with a dummy a set: infert, pooled strata absorbed, clusters by parity and
# age (they cross the sets).
source("tests/r/common.R")
library(sandwich)

infert <- read.csv(file.path(data_dir, "infert.csv"))
infert$member <- as.numeric(infert$spontaneous > 0)
infert$weight <- 0.5 + ((seq_len(nrow(infert)) - 1) %% 7) / 4
infert$cluster <- paste(infert$parity, infert$age %% 5)
fit <- lm(case ~ member + factor(pooled.stratum), data = infert, weights = weight)
result <- list(
  estimate = unname(coef(fit)["member"]),
  cluster_std_error = sqrt(vcovCL(fit, cluster = infert$cluster, type = "HC0",
                                  cadjust = TRUE)["member", "member"]),
  hc0_std_error = sqrt(sandwich(fit)["member", "member"]),
  n_clusters = length(unique(infert$cluster))
)
write_fixture(result, "linear")
