# Estimates under a survey's own design: Taylor linearisation and replicate weights, by `survey` on
# the schools that api.R writes. Members beside others: shares of an ordered and of a yes/no outcome
# with their joint covariance, their differences, a domain, logit and ordinal coefficients, and gaps
# standardised to the members. Variances of replicates are about their mean (`cov`) and about the
# estimate (`cov_mse`).
source("tests/r/common.R")
library(survey)

exact <- glm.control(epsilon = 1e-15, maxit = 200)
predictors <- c("member", "stypeH", "stypeM", "poorlow", "poormiddle")

read_schools <- function(name) {
  frame <- read.csv(file.path(data_dir, paste0(name, ".csv")))
  frame$level <- ordered(frame$level)
  frame$yes <- ordered(frame$qualified)
  for (factor in c("stype", "poor")) frame[[factor]] <- factor(frame[[factor]])
  frame
}
strat <- read_schools("apistrat")
clus1 <- read_schools("apiclus1")
clus2 <- read_schools("apiclus2")

# The replicates of a declared design; `scale` and `rscales` as the design itself has them.
replicates <- function(frame, prefix, scale, rscales = 1) {
  columns <- grep(paste0("^", prefix, "[0-9]+$"), names(frame), value = TRUE)
  svrepdesign(weights = ~weight, repweights = frame[columns], data = frame, type = "other",
              scale = scale, rscales = rep_len(rscales, length(columns)), combined.weights = TRUE)
}

# The covariance of rows of influence in a linearised design, or of a refit at each replicate.
spread <- function(design, at, influence) {
  if (inherits(design, "svyrep.design")) {
    thetas <- t(apply(weights(design, "analysis"), 2, at))
    about <- function(mse) {
      made <- svrVar(thetas, design$scale, design$rscales, mse = mse,
                     coef = at(weights(design, "sampling")))
      array(made, dim(made))
    }
    return(list(cov = about(FALSE), cov_mse = about(TRUE)))
  }
  # Weights are within the influence.
  made <- svyrecvar(influence(), design$cluster, design$strata, design$fpc)
  list(cov = unname(made))
}

# Shares of each level among members, then among others, and the differences at each threshold.
shares <- function(design, outcome, within = NULL) {
  if (!is.null(within)) design <- subset(design, domain == within)
  design$variables[[outcome]] <- droplevels(design$variables[[outcome]])
  levels <- levels(design$variables[[outcome]])
  formula <- as.formula(paste0("~", outcome))
  replicated <- inherits(design, "svyrep.design")
  found <- svyby(formula, ~member, design, svymean, covmat = TRUE, return.replicates = replicated)
  order <- c(paste0("1:", outcome, levels), paste0("0:", outcome, levels))
  record <- function(found) {
    attr(found, "replicates") <- NULL # svycontrast fails on those of svyby; their covariance stays
    k <- length(levels)
    above <- lapply(seq_len(k - 1), function(j) {
      side <- as.numeric(seq_len(k) > j)
      setNames(c(side, -side), order)
    })
    gap <- svycontrast(found, setNames(above, paste0("gap", seq_len(k - 1))))
    cov <- unname(vcov(found)[order, order])
    list(cov = cov, std_errors = sqrt(diag(cov)), gap = unname(coef(gap)),
         gap_std_errors = unname(SE(gap)))
  }
  made <- c(list(member = unname(coef(found)[order[seq_along(levels)]]),
                 comparison = unname(coef(found)[order[-seq_along(levels)]])), record(found))
  if (replicated) {
    design$mse <- TRUE
    again <- svyby(formula, ~member, design, svymean, covmat = TRUE, return.replicates = TRUE)
    made$cov_mse <- record(again)$cov
  }
  made
}

logit <- function(design) {
  formula <- qualified ~ member + stype + poor
  fit <- svyglm(formula, design, family = quasibinomial(), control = exact)
  order <- c(predictors, "(Intercept)")
  list(terms = order, estimates = unname(coef(fit)[order]),
       std_errors = unname(sqrt(diag(vcov(fit)))[order]), cov = unname(vcov(fit)[order, order]),
       df = fit$df.residual)
}

# clm where a weight is not zero; of two levels it is the logit. `free`: membership's coefficient
# differs by threshold.
fitted_at <- function(frame, outcome, weight, free = FALSE) {
  frame$.weight <- weight / mean(weight)
  frame$.y <- frame[[outcome]]
  frame <- frame[weight > 0, ]
  if (!free) return(ordinal::clm(.y ~ member + stype + poor, data = frame, weights = .weight,
                                 control = tight))
  ordinal::clm(.y ~ stype + poor, nominal = ~member, data = frame, weights = .weight,
               control = tight)
}

# Slopes, then thresholds. svyolr stops where its optimiser does and its Hessian is by finite
# differences, so that its own numbers stand beside those of the analytic scores.
cumulative <- function(design) {
  frame <- design$variables
  at <- function(weight) {
    fit <- fitted_at(frame, "level", weight)
    unname(c(fit$beta, fit$alpha))
  }
  weight <- weights(design, "sampling")
  fit <- fitted_at(frame, "level", weight)
  k <- length(fit$beta)
  order <- c(length(fit$alpha) + seq_len(k), seq_along(fit$alpha))
  influence <- function() (sandwich::estfun(fit) %*% vcov(fit))[, order]
  found <- spread(design, at, influence)
  record <- c(list(terms = predictors, slopes = unname(fit$beta), thresholds = unname(fit$alpha),
                   max_gradient = fit$maxGradient, std_errors = sqrt(diag(found$cov))), found)
  formula <- level ~ member + stype + poor
  own <- if (inherits(design, "svyrep.design")) {
    svyolr(formula, design, control = list(reltol = 1e-16))
  } else {
    svyolr(formula, design, start = c(fit$beta, fit$alpha[1], log(diff(fit$alpha))))
  }
  record$svyolr <- list(estimates = unname(coef(own)), std_errors = unname(sqrt(diag(vcov(own)))))
  record
}

# Shares at each level standardised to the members by clm: of all as members, then of all as others.
# Scores are differentiated row by row: clm has none of nominal coefficients.
standardised_gaps <- function(design, outcome, free = FALSE) {
  frame <- design$variables
  x <- model.matrix(~ stype + poor, frame)[, -1]
  answer <- cbind(seq_len(nrow(frame)), as.integer(frame[[outcome]]))
  cuts <- max(answer[, 2]) - 1
  shares_at <- function(params, member) {
    rest <- params[-seq_len(cuts)]
    by_member <- if (free) rest[seq_len(cuts)] else rep(-rest[1], cuts)
    slopes <- rest[-seq_len(if (free) cuts else 1)]
    at <- plogis(rep(params[seq_len(cuts)], each = nrow(x)) + outer(member, by_member) -
                   as.vector(x %*% slopes))
    cbind(at, 1) - cbind(0, at)
  }
  both <- function(params) {
    cbind(shares_at(params, rep(1, nrow(x))), shares_at(params, rep(0, nrow(x))))
  }
  # clm orders nominal coefficients by variable, thresholds within.
  params_of <- function(fit) unname(c(if (free) t(fit$alpha.mat) else fit$alpha, fit$beta))
  margins <- function(params, weight) {
    colSums(weight * frame$member * both(params)) / sum(weight * frame$member)
  }
  at <- function(weight) margins(params_of(fitted_at(frame, outcome, weight, free)), weight)
  weight <- weights(design, "sampling")
  fit <- fitted_at(frame, outcome, weight, free)
  params <- params_of(fit)
  made <- margins(params, weight)
  influence <- function() {
    scores <- numDeriv::jacobian(function(p) {
      weight / mean(weight) * log(shares_at(p, frame$member)[answer])
    }, params)
    target <- weight * frame$member / sum(weight * frame$member)
    target * sweep(both(params), 2, made) +
      scores %*% vcov(fit) %*% t(numDeriv::jacobian(margins, params, weight = weight))
  }
  k <- cuts + 1
  c(list(member = made[seq_len(k)], comparison = made[k + seq_len(k)]),
    spread(design, at, influence))
}

# Half of the members may have nobody at a level: membership freed has no estimate in such a one.
record <- function(design, free = TRUE) {
  made <- list(
    degf = degf(design), n = nrow(design$variables),
    ordered = shares(design, "level"), binary = shares(design, "yes"),
    ordered_domain = shares(design, "level", 1), binary_domain = shares(design, "yes", 1),
    logit = logit(design), ordinal = cumulative(design),
    standardised_binary = standardised_gaps(design, "yes"),
    standardised_ordinal = standardised_gaps(design, "level")
  )
  if (free) made$standardised_free <- standardised_gaps(design, "level", free = TRUE)
  if (inherits(design, "svyrep.design")) {
    made$scale <- design$scale
    made$rscales <- array(design$rscales)
  }
  made
}
lonely <- function(rule, frame, ...) {
  options(survey.lonely.psu = rule)
  on.exit(options(survey.lonely.psu = "fail"))
  record(svydesign(weights = ~weight, data = frame, ...))
}

linear <- list(
  weights = svydesign(~1, weights = ~weight, data = strat),
  strat = svydesign(~1, strata = ~stype, weights = ~weight, fpc = ~fpc, data = strat),
  strat_no_fpc = svydesign(~1, strata = ~stype, weights = ~weight, data = strat),
  groups = svydesign(~group, strata = ~stype, weights = ~weight, data = strat),
  clus1 = svydesign(~district, weights = ~weight, fpc = ~fpc, data = clus1),
  clus1_no_fpc = svydesign(~district, weights = ~weight, data = clus1),
  clus2 = svydesign(~district + school, weights = ~weight, fpc = ~fpc1 + fpc2, data = clus2),
  clus2_no_fpc = svydesign(~district, weights = ~weight, data = clus2),
  pairs = svydesign(~district, strata = ~pair, weights = ~weight, data = clus2)
)
replicated <- list(
  JK1 = replicates(clus1, "jk", 14 / 15), JKn = replicates(strat, "jkn", 1, 9 / 10),
  bootstrap = replicates(strat, "boot", 1 / 39), BRR = replicates(clus2, "brr", 1 / 24),
  Fay = replicates(clus2, "fay", 1 / (24 * 0.7^2))
)
write_fixture(list(
  version = as.character(packageVersion("survey")),
  linear = lapply(linear, record),
  replicates = Map(record, replicated, free = names(replicated) != "BRR"),
  lonely = list(
    strat_adjust = lonely("adjust", strat, ids = ~1, strata = ~lonely, fpc = ~fpc),
    strat_certainty = lonely("certainty", strat, ids = ~1, strata = ~lonely, fpc = ~fpc),
    pairs_adjust = lonely("adjust", clus2, ids = ~district, strata = ~lonely),
    pairs_certainty = lonely("certainty", clus2, ids = ~district, strata = ~lonely)
  )
), "design")
