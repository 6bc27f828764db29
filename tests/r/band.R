# Simultaneous critical values and adjusted p-values of several estimates, by mvtnorm: gaps at the
# four thresholds of the example survey's matched shares (tests/r/example.R), and a chain of six.
# mvtnorm integrates by random lattices: each call starts from the same seed, and the error of a
# probability is asked to be below 5e-6.
source("tests/r/common.R")
library(mvtnorm)

accurate <- GenzBretz(maxpts = 5e5, abseps = 5e-6, releps = 0)
inside <- function(c, correlation, df) {
  set.seed(1)
  k <- nrow(correlation)
  if (is.infinite(df)) {
    found <- pmvnorm(rep(-c, k), rep(c, k), corr = correlation, algorithm = accurate)
  } else {
    found <- pmvt(rep(-c, k), rep(c, k), corr = correlation, df = df, algorithm = accurate)
  }
  c(found)
}
critical <- function(correlation, df) {
  k <- nrow(correlation)
  ends <- qt(1 - 0.05 / 2 / c(1, k), df) + c(-0.01, 0.01)
  uniroot(function(c) inside(c, correlation, df) - 0.95, ends, tol = 1e-5)$root
}

# Gaps at >=D, >=C, >=B, >=A from the shares of both groups.
shares <- jsonlite::fromJSON(file.path("tests/r/fixtures", "example.json"))$shares
above <- outer(1:4, 1:5, function(cut, level) as.numeric(level > cut))
contrast <- cbind(above, -above)
cov <- contrast %*% shares$cov %*% t(contrast)

# Gaps whose t are near the bands, so that there is something to adjust.
record <- function(t, cov) {
  correlation <- cov2cor(cov)
  list(estimates = t * sqrt(diag(cov)), cov = cov, bands = lapply(c(20, 99, Inf), function(df) {
    list(df = if (is.infinite(df)) "infinity" else df, critical = critical(correlation, df),
         p_values = sapply(abs(t), function(c) 1 - inside(c, correlation, df)))
  }))
}
result <- list(
  version = as.character(packageVersion("mvtnorm")),
  example = record(c(0.3, -1.2, 2.1, 2.6), cov),
  chain = record(c(0.3, -1.2, 2.1, 2.6, -0.9, 0.1), 0.6^abs(outer(1:6, 1:6, "-")))
)
write_fixture(result, "band")
