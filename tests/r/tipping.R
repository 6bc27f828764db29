# The tipping point on a small table: answers moved, refitted, standardised, uniroot. Two levels by
# glm, three by clm. Two strata, exact matching weights, eight clusters.
source("tests/r/common.R")

people <- expand.grid(level = 1:3, cluster = 1:8, member = 0:1, stratum = 0:1)
people$n <- with(people, ifelse(member == 1, c(3, 6, 9)[level], c(8, 6, 3)[level]) +
                   (level * cluster^2 * 5 + cluster * 3 * (1 + member) + stratum * 4) %% 7)

# Matching weights: members one, the comparison group to the members' strata.
matched <- function(d) {
  inside <- function(m, s) sum(d$n[d$member == m & d$stratum == s])
  ratio <- sapply(0:1, function(s) inside(1, s) / inside(0, s))
  scale <- sum(d$n[d$member == 0]) / sum(d$n[d$member == 1])
  d$w <- ifelse(d$member == 1, 1, ratio[d$stratum + 1] * scale)
  d
}
binary <- transform(people, level = ifelse(level == 3, 2, 1))
binary <- matched(aggregate(n ~ level + cluster + member + stratum, binary, sum))
ordinal <- matched(people)

# The fitted model: slopes of membership and stratum, thresholds on the scale of clm.
fit_model <- function(d, weight) {
  if (max(d$level) == 2) {
    fit <- suppressWarnings(glm(I(level == 2) ~ member + stratum, binomial, d, weights = weight,
                                control = glm.control(1e-14, 100)))
    list(slopes = unname(coef(fit)[-1]), thresholds = -unname(coef(fit)[1]))
  } else {
    d$y <- factor(d$level)
    d$weight <- weight
    fit <- ordinal::clm(y ~ member + stratum, weights = weight, data = d, control = tight)
    list(slopes = unname(fit$beta), thresholds = unname(fit$alpha))
  }
}

below <- function(params, x, k) {
  cbind(0, plogis(outer(-as.vector(x %*% params[1:2]), params[2 + seq_len(k)], "+")), 1)
}
levels_at <- function(params, x, k) {
  at <- below(params, x, k)
  at[, -1, drop = FALSE] - at[, -ncol(at), drop = FALSE]
}

# Chance to go from level a to level b when the latent answer rises by `shift`.
chances <- function(fit, d, shift) {
  k <- length(fit$thresholds)
  x <- cbind(d$member, d$stratum)
  old <- below(c(fit$slopes, fit$thresholds), x, k)
  new <- below(c(fit$slopes, fit$thresholds - shift), x, k)
  t(sapply(seq_len(nrow(d)), function(i) {
    if (d$member[i] == 1) return(as.numeric(seq_len(k + 1) == d$level[i]))
    ends <- old[i, d$level[i] + 0:1]
    pmax(0, pmin(ends[2], new[i, -1]) - pmax(ends[1], new[i, -(k + 2)])) / diff(ends)
  }))
}

# The gap after a shift, its clustered standard error and the share of answers off.
after <- function(d, shift) {
  k <- max(d$level) - 1
  chance <- chances(fit_model(d, d$n * d$w), d, shift)
  moved <- d[rep(seq_len(nrow(d)), k + 1), ]
  moved$from <- moved$level
  moved$level <- rep(seq_len(k + 1), each = nrow(d))
  moved$chance <- as.vector(chance)
  moved <- moved[moved$chance > 0, ]
  moved$weight <- moved$n * moved$w * moved$chance
  fit <- fit_model(moved, moved$weight)
  params <- c(fit$slopes, fit$thresholds)
  x <- cbind(moved$member, moved$stratum)
  log_lik <- function(p) log(levels_at(p, x, k)[cbind(seq_len(nrow(x)), moved$level)])
  scores <- numDeriv::jacobian(log_lik, params)
  information <- -numDeriv::hessian(function(p) sum(moved$weight * log_lik(p)), params)
  target <- d$member * d$n * d$w
  gap_at <- function(p, weight = target) {
    one <- levels_at(p, cbind(1, d$stratum), k)
    zero <- levels_at(p, cbind(0, d$stratum), k)
    margins <- c(weight %*% one, weight %*% zero) / sum(weight)
    m1 <- margins[seq_len(k + 1)]
    m0 <- margins[-seq_len(k + 1)]
    if (k == 1) m1[2] - m0[2] else sum(m1 * (cumsum(m0) - m0 / 2)) - 0.5
  }
  # What a person adds: through the fit, and, a member, as one of those standardised over.
  own <- sapply(0:1, function(s) {
    step <- 1e-6 * sum(target)
    up <- target + step * (d$stratum == s) * d$member * d$n / sum((d$stratum == s) * d$member * d$n)
    (gap_at(params, up) - gap_at(params)) / step
  })
  u <- as.vector(scores %*% solve(information, numDeriv::grad(gap_at, params))) +
    moved$member * own[moved$stratum + 1]
  sums <- tapply(moved$weight * u, moved$cluster, sum)
  key <- interaction(moved$stratum, moved$member, moved$cluster, moved$from, drop = TRUE)
  mean_u <- ave(moved$chance * u, key, FUN = sum)
  by_chance <- sum(moved$n * moved$w^2 * moved$chance * (u - mean_u)^2)
  others <- d$member == 0
  stays <- chance[cbind(seq_len(nrow(d)), d$level)]
  list(gap = gap_at(params), std_error = sqrt(8 / 7 * (sum(sums^2) + by_chance)),
       share_off = sum((d$n * (1 - stays))[others]) / sum(d$n[others]))
}

tipping <- function(d) {
  start <- after(d, 0)
  quantile <- qt(0.975, 7)
  root <- function(left) uniroot(left, c(0, 3), tol = 1e-9)$root
  zero <- root(function(s) with(after(d, s), gap - quantile * std_error))
  half <- root(function(s) after(d, s)$gap - start$gap / 2)
  one <- function(shift) c(list(shift = shift), after(d, shift))
  list(table = as.list(d[c("stratum", "member", "cluster", "level", "n")]),
       start = start, zero = one(zero), half = one(half))
}
result <- list(binary = tipping(binary), ordinal = tipping(ordinal))
write_fixture(result, "tipping")
