# Membership free by threshold in VGAM::vglm, where VGAM is installed: wine (72 ratings) and the
# example survey (EXAMPLE DATA) with the matching weights that are made here again. vglm iterates on
# the expected information: estimates, likelihood and predictions are comparable, its standard
# errors are not.
source("tests/r/common.R")
suppressPackageStartupMessages(library(VGAM))

# Membership's coefficients, thresholds, covariates' slopes; the gaps of the members at every
# threshold, lowest first.
record <- function(formula, data, weight, member) {
  data$w <- weight
  fit <- vglm(formula, family = cumulative(parallel = as.formula(paste("FALSE ~", member)),
                                           reverse = TRUE),
              data = data, weights = w,
              control = vglm.control(criterion = "coefficients", epsilon = 1e-13, maxit = 100,
                                     half.stepsizing = FALSE))
  at <- coef(fit)
  is_free <- grepl(paste0("^", member, ".*:[0-9]+$"), names(at))
  is_threshold <- grepl("^\\(Intercept\\)", names(at))
  target <- as.numeric(model.matrix(fit, type = "lm")[, 2])
  above <- function(side) {
    data[[member]][] <- side
    shares <- predict(fit, newdata = data, type = "response")
    t(apply(shares[, ncol(shares):2], 1, cumsum))[, (ncol(shares) - 1):1]
  }
  sides <- if (is.factor(data[[member]])) levels(data[[member]]) else c(0, 1)
  total <- sum(target * weight)
  gaps <- colSums(target * weight * (above(sides[2]) - above(sides[1]))) / total
  list(free = unname(at[is_free]), thresholds = unname(-at[is_threshold]),
       slopes = unname(at[!is_free & !is_threshold]), log_likelihood = logLik(fit),
       gaps = unname(gaps))
}

wine <- read.csv(file.path(data_dir, "wine.csv"), stringsAsFactors = TRUE)
wine$rating <- ordered(wine$rating)
weight <- 0.5 + ((seq_len(nrow(wine)) - 1) %% 7) / 4
people <- read.csv(file.path(data_dir, "example.csv"), stringsAsFactors = FALSE)
people$class <- ordered(people$ses_class, c("E", "D", "C", "B", "A"))
people$age_band <- cut(people$age, c(-Inf, 25, 35, 45, 55, 65, Inf), right = FALSE)
people$sex <- factor(people$sex, c("male", "female"))
people$region <- factor(people$region, c("Lima", "Center", "East", "North", "South"))
set <- interaction(people[c("region", "age_band", "sex")], drop = TRUE)
members <- ave(people$member, set, FUN = sum)
others <- ave(1 - people$member, set, FUN = sum)
people$weight <- ifelse(people$member == 1, 1, members / others)
matched <- people[members > 0 & others > 0, ]
comparison <- matched$member == 0
matched$weight[comparison] <- matched$weight[comparison] * sum(comparison) /
  sum(matched$weight[comparison])

of_wine <- rating ~ contact + temp
of_people <- class ~ member + age_band + sex + region
result <- list(
  version = as.character(packageVersion("VGAM")),
  wine = record(of_wine, wine, rep(1, nrow(wine)), "contact"),
  wine_weighted = record(of_wine, wine, weight, "contact"),
  example_adjusted = record(of_people, people, rep(1, nrow(people)), "member"),
  example_matched = record(of_people, matched, matched$weight, "member")
)
write_fixture(result, "vglm")
