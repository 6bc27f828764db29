# People who answer twice: kappa, McNemar, Stuart-Maxwell and Bhapkar by their formulas; weighted and
# clustered versions by the delta method on survey::svymean of the cells, with numerical gradients.
source("tests/r/common.R")

set.seed(11)
n <- 240
levels <- 5
zone <- sort(rep_len(1:24, n))
pull <- rnorm(24, sd = 0.5)[zone]
first <- findInterval(pull + rlogis(n), c(-1.3, -0.2, 0.9, 2))
move <- rbinom(n, 1, 0.4) * sample(c(-1, 1), n, TRUE, c(0.65, 0.35))
second <- pmin(pmax(first + move, 0), levels - 1)
weight <- 0.5 + ((seq_len(n) - 1) %% 7) / 4

credit_of <- function(kind) {
  apart <- abs(outer(seq_len(levels), seq_len(levels), "-"))
  switch(kind, unweighted = (apart == 0) * 1, linear = 1 - apart / (levels - 1),
         quadratic = 1 - apart^2 / (levels - 1)^2)
}
kappa_of <- function(share, credit) {
  observed <- sum(credit * share)
  expected <- sum(credit * outer(rowSums(share), colSums(share)))
  (observed - expected) / (1 - expected)
}
# Fleiss, Cohen & Everitt (1969), equation 13.
kappa_record <- function(table, credit) {
  share <- table / sum(table)
  rows <- rowSums(share)
  cols <- colSums(share)
  observed <- sum(credit * share)
  expected <- sum(credit * outer(rows, cols))
  by_row <- as.vector(credit %*% cols)
  by_col <- as.vector(rows %*% credit)
  bracket <- credit * (1 - expected) - outer(by_row, by_col, "+") * (1 - observed)
  total <- sum(share * bracket^2) - (observed * expected - 2 * expected + observed)^2
  list(estimate = kappa_of(share, credit),
       std_error = sqrt(total / sum(table) / (1 - expected)^4))
}
homogeneity <- function(table, bhapkar) {
  d <- (colSums(table) - rowSums(table))[-ncol(table)]
  spread <- -(table + t(table))
  diag(spread) <- rowSums(table) + colSums(table) - 2 * diag(table)
  spread <- spread[-ncol(table), -ncol(table)]
  if (bhapkar) spread <- spread - outer(d, d) / sum(table)
  statistic <- as.numeric(d %*% solve(spread, d))
  list(statistic = statistic, p_value = pchisq(statistic, length(d), lower.tail = FALSE))
}
counts <- function(a, b, size) unclass(table(factor(a, 0:(size - 1)), factor(b, 0:(size - 1))))
table5 <- matrix(counts(first, second, levels), levels)

# Weighted and clustered.
cells <- matrix(0, n, levels^2)
cells[cbind(seq_len(n), first * levels + second + 1)] <- 1
frame <- data.frame(zone = zone, weight = weight, alike = as.numeric(first == second), cells)
design <- survey::svydesign(ids = ~zone, weights = ~weight, data = frame)
means <- survey::svymean(as.formula(paste("~", paste(names(frame)[-(1:3)], collapse = "+"))), design)
delta <- function(f) {
  gradient <- numDeriv::jacobian(f, as.numeric(coef(means)))
  list(estimate = f(as.numeric(coef(means))), cov = gradient %*% vcov(means) %*% t(gradient))
}
clustered <- lapply(c(linear = "linear", quadratic = "quadratic"), function(kind) {
  found <- delta(function(p) kappa_of(matrix(p, levels, byrow = TRUE), credit_of(kind)))
  list(estimate = found$estimate, std_error = sqrt(as.numeric(found$cov)))
})
moved <- delta(function(p) {
  share <- matrix(p, levels, byrow = TRUE)
  (colSums(share) - rowSums(share))[-levels]
})
q <- levels - 1
clusters <- length(unique(zone))
wald <- as.numeric(moved$estimate %*% solve(moved$cov, moved$estimate))
f <- (clusters - q) / ((clusters - 1) * q) * wald
share <- survey::svyciprop(~alike, design, method = "logit", df = clusters - 1)
by_cut <- lapply(1:4, function(cut) {
  design$variables$moved <- (second >= cut) - (first >= cut)
  found <- survey::svymean(~moved, design)
  list(estimate = as.numeric(coef(found)), std_error = as.numeric(survey::SE(found)))
})

pairs <- matrix(c(59, 6, 16, 80), 2, byrow = TRUE)
low <- min(pairs[1, 2], pairs[2, 1])
off <- pairs[1, 2] + pairs[2, 1]
result <- list(
  first = first, second = second, zone = zone, weight = weight, table = table5,
  kappa = lapply(c(unweighted = "unweighted", linear = "linear", quadratic = "quadratic"),
                 function(kind) kappa_record(table5, credit_of(kind))),
  stuart_maxwell = homogeneity(table5, FALSE), bhapkar = homogeneity(table5, TRUE),
  clustered = list(
    kappa = clustered,
    homogeneity = list(statistic = f, p_value = pf(f, q, clusters - q, lower.tail = FALSE)),
    agreement = list(estimate = as.numeric(coef(share)), lower = attr(share, "ci")[[1]],
                     upper = attr(share, "ci")[[2]]),
    by_cut = by_cut
  ),
  pairs = list(
    table = pairs,
    z = sign(pairs[1, 2] - pairs[2, 1]) * sqrt(mcnemar.test(pairs, correct = FALSE)$statistic[[1]]),
    p_value = mcnemar.test(pairs, correct = FALSE)$p.value,
    p_exact = binom.test(low, off)$p.value,
    p_mid = 2 * pbinom(low, off, 0.5) - dbinom(low, off, 0.5),
    stuart_maxwell = homogeneity(pairs, FALSE)$statistic,
    kappa = kappa_record(pairs, diag(2))
  )
)
write_fixture(result, "linked")
