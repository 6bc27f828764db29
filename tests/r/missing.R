# Missing answers: bounds, Imbens and Manski's factor, Rubin's rules and imputation models.
source("tests/r/common.R")

# Bounds of a weighted gap, each end a weighted least-squares difference clustered on zone.
example <- read.csv(file.path(data_dir, "example.csv"))
member <- example$member == 1
id <- seq_len(nrow(example))
lacks <- id %% 13 == 0 | (member & id %% 17 == 0)
weight <- 1 + (id %% 5) / 4
agrees <- example$trusted_person == 1
ends <- lapply(list(lower = c(0, 1), upper = c(1, 0)), function(fill) {
  y <- ifelse(lacks, ifelse(member, fill[1], fill[2]), agrees)
  fit <- lm(y ~ member, weights = weight)
  v <- sandwich::vcovCL(fit, cluster = example$zone, type = "HC0", cadjust = TRUE)
  list(estimate = unname(coef(fit)[2]), std_error = sqrt(v[2, 2]))
})

factor_of <- function(ratio, df) {
  lacking <- function(c) pt(c + ratio, df) - pt(-c, df) - 0.95
  uniroot(lacking, c(1, 20), tol = 1e-14)$root
}
asked <- expand.grid(ratio = c(0, 0.1, 0.5, 1, 2, 5, 20), df = c(Inf, 99, 7))
factors <- list(ratio = asked$ratio, df = ifelse(is.finite(asked$df), asked$df, -1),
                factor = mapply(factor_of, asked$ratio, asked$df))

# Rubin's rules, with the degrees of freedom of Barnard and Rubin.
pools <- lapply(list(c(20, 99), c(5, 7), c(40, 1e6)), function(at) {
  q <- 0.1 + 0.03 * sin(seq_len(at[1]))
  u <- 0.0005 + 0.0001 * cos(seq_len(at[1]))
  pooled <- mice::pool.scalar(q, u, n = at[2] + 1)
  list(estimates = q, variances = u, df_complete = at[2], estimate = pooled$qbar,
       variance = pooled$t, df = pooled$df, fmi = mice::pool.scalar(q, u)$fmi)
})

# Models that answers are imputed from, on people with the pseudo-people of mice.
infert <- read.csv(file.path(data_dir, "infert.csv"))
x <- cbind(a = infert$parity, b = infert$age, c = as.numeric(infert$induced > 0))
y <- factor(infert$spontaneous)
with_pseudo <- mice:::augment(y, rep(TRUE, length(y)), x, rep(FALSE, length(y)))
frame <- data.frame(y = with_pseudo$y, with_pseudo$x)
ordered_fit <- ordinal::clm(y ~ a + b + c, weights = with_pseudo$w, control = tight,
                            data = transform(frame, y = factor(y, ordered = TRUE)))
scaled <- transform(frame, a = a / 3, b = (b - 30) / 10)
nominal_fit <- nnet::multinom(y ~ a + b + c, data = scaled, weights = with_pseudo$w,
                              Hess = TRUE, trace = FALSE, reltol = 1e-16, abstol = 1e-16,
                              maxit = 2000)
back <- c(1, 3, 10, 1)
coefs <- t(coef(nominal_fit)) / back
coefs[1, ] <- coefs[1, ] - 30 * coefs["b", ]
nominal <- list(
  params = as.vector(coefs),
  slope_errors = as.vector((t(summary(nominal_fit)$standard.errors) / back)[-1, ]),
  deviance = nominal_fit$deviance
)

# Chained equations of mice on the same holes: shares over all imputations, people and levels.
holes <- data.frame(case = factor(infert$case), induced = factor(infert$induced, ordered = TRUE),
                    education = factor(infert$education), spontaneous = factor(infert$spontaneous))
row <- seq_len(nrow(holes))
holes$case[row %% 4 == 0 & infert$spontaneous > 0] <- NA
holes$induced[row %% 5 == 1] <- NA
holes$education[row %% 6 == 2] <- NA
library(mice)
imputed <- mice(holes, m = 200, maxit = 10, method = c("logreg", "polr", "polyreg", ""), seed = 4,
                printFlag = FALSE)
long <- complete(imputed, "long")
chained <- list(
  codes = sapply(holes, function(v) ifelse(is.na(v), -1L, as.integer(v) - 1L)),
  case = as.vector(prop.table(table(long$case))),
  induced = as.vector(prop.table(table(long$induced))),
  education = as.vector(prop.table(table(long$education))),
  case_by_induced = unclass(unname(prop.table(table(long$case, long$induced))))
)

write_fixture(list(
  bounds = c(ends, list(n_missing = sum(lacks))), factors = factors, pools = pools,
  x = unname(x), level = as.integer(y) - 1L,
  ordered = clm_record(ordered_fit)[c("slopes", "thresholds", "cov")], nominal = nominal,
  chained = lapply(chained, unname)
), "missing")
