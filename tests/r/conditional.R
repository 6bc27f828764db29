# Conditional likelihoods, exact: infert by stratum (1:2 sets), by pooled stratum (several cases a
# set), and wine by judge with one binary copy a cut (blow-up and cluster).
source("tests/r/common.R")
library(survival)

infert <- read.csv(file.path(data_dir, "infert.csv"))
wine <- read.csv(file.path(data_dir, "wine.csv"), stringsAsFactors = TRUE)
tight_cox <- coxph.control(eps = 1e-14, toler.chol = 1e-16, iter.max = 100)
record <- function(fit) {
  list(slopes = unname(coef(fit)), cov = unname(vcov(fit)),
       std_errors = unname(sqrt(diag(vcov(fit)))), log_likelihood = fit$loglik[2])
}

copies <- do.call(rbind, lapply(2:5, function(cut) {
  data.frame(above = as.numeric(wine$rating >= cut), contact = as.numeric(wine$contact == "yes"),
             temp = as.numeric(wine$temp == "warm"), set = paste(wine$judge, cut))
}))
result <- list(
  infert = record(clogit(case ~ spontaneous + induced + strata(stratum), data = infert,
                         method = "exact", control = tight_cox)),
  infert_pooled = record(clogit(case ~ spontaneous + induced + strata(pooled.stratum),
                                data = infert, method = "exact", control = tight_cox)),
  wine = record(clogit(above ~ contact + temp + strata(set), data = copies, method = "exact",
                       control = tight_cox))
)
write_fixture(result, "conditional")
