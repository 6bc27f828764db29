# survey::svyolr with weights and clusters. It starts from the converged clm fit: from its own start
# it stops three to four digits short. Its Hessian is by finite differences.
source("tests/r/common.R")

wine <- read.csv(file.path(data_dir, "wine.csv"), stringsAsFactors = TRUE)
wine$rating <- ordered(wine$rating)
wine$w <- 0.5 + ((seq_len(nrow(wine)) - 1) %% 7) / 4
formula <- rating ~ contact + temp
design <- survey::svydesign(ids = ~judge, weights = ~w, data = wine)

record <- function(link, method) {
  fit <- ordinal::clm(formula, data = wine, weights = w, link = link, control = tight)
  start <- c(fit$beta, fit$alpha[1], log(diff(fit$alpha)))
  found <- survey::svyolr(formula, design, start = start, method = method)
  list(estimates = unname(coef(found)), std_errors = unname(sqrt(diag(vcov(found)))))
}
result <- list(
  version = as.character(packageVersion("survey")),
  logit = record("logit", "logistic"), probit = record("probit", "probit")
)
write_fixture(result, "survey")
