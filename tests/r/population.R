# Gaps over a raked population and over the overlap: infert, survey::rake for the weights, glm for
# both scores, the delta method on vcovCL with the covariates of the population fixed.
source("tests/r/common.R")
library(sandwich)

infert <- read.csv(file.path(data_dir, "infert.csv"))
infert$member <- as.numeric(infert$spontaneous > 0)
infert$w <- 0.5 + ((seq_len(nrow(infert)) - 1) %% 7) / 4
infert$cluster <- infert$parity * 5 + infert$age %% 5
infert$education <- factor(infert$education, c("0-5yrs", "6-11yrs", "12+ yrs"))
infert$induced <- factor(infert$induced)

tight_glm <- list(epsilon = 1e-15, maxit = 100)
fit <- suppressWarnings(glm(case ~ member + education + induced, data = infert, weights = w,
                            family = binomial, control = tight_glm))
score <- suppressWarnings(glm(member ~ education + induced, data = infert, weights = w,
                              family = binomial, control = tight_glm))
robust <- vcovCL(fit, infert$cluster, type = "HC0", cadjust = TRUE)

gap <- function(weight) {
  sides <- lapply(c(1, 0), function(side) {
    model.matrix(~ member + education + induced, transform(infert, member = side))
  })
  means <- lapply(sides, function(x) plogis(drop(x %*% coef(fit))))
  slope <- mapply(function(x, p) colSums(weight * p * (1 - p) * x), sides, means) / sum(weight)
  gradient <- slope[, 1] - slope[, 2]
  list(estimate = sum(weight * (means[[1]] - means[[2]])) / sum(weight),
       std_error_fixed = sqrt(drop(gradient %*% robust %*% gradient)))
}

design <- suppressWarnings(survey::svydesign(ids = ~1, weights = ~w, data = infert))
shares <- list(education = c(0.2, 0.3, 0.5), induced = c(0.5, 0.2, 0.3))
margin <- function(name) {
  frame <- data.frame(levels(infert[[name]]), Freq = 1000 * shares[[name]])
  names(frame)[1] <- name
  frame
}
raked <- survey::rake(design, list(~education, ~induced), list(margin("education"), margin("induced")),
                      control = list(maxit = 1000, epsilon = 1e-12, verbose = FALSE))
e <- fitted(score)
write_fixture(list(
  shares = shares,
  raked_weights = unname(weights(raked)) / sum(weights(raked)),
  raked = gap(weights(raked)),
  overlap = gap(infert$w * e * (1 - e))
), "population")
