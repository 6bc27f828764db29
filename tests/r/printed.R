# Intervals of printed shares, the tables of the printed sample, and its ordered classes.
source("tests/r/common.R")

counts <- list(c(56, 70), c(9, 10), c(0, 30), c(3, 40), c(402, 1004), c(271, 1003))
one <- lapply(counts, function(k) {
  list(yes = k[1], n = k[2],
       wilson = prop.test(k[1], k[2], correct = FALSE)$conf.int[1:2],
       exact = binom.test(k[1], k[2])$conf.int[1:2])
})

# Newcombe's hybrid, from the limits of each share.
hybrid <- function(k1, n1, k0, n0, ends) {
  a <- ends(k1, n1)
  b <- ends(k0, n0)
  p1 <- k1 / n1
  p0 <- k0 / n0
  c(p1 - p0 - sqrt((p1 - a[1])^2 + (b[2] - p0)^2), p1 - p0 + sqrt((a[2] - p1)^2 + (p0 - b[1])^2))
}
score <- function(k, n) prop.test(k, n, correct = FALSE)$conf.int[1:2]
exact <- function(k, n) binom.test(k, n)$conf.int[1:2]

# One minus the level at which the hybrid of exact limits reaches zero.
inverted <- function(k1, n1, k0, n0) {
  nearest <- function(tail) {
    level <- function(k, n) binom.test(k, n, conf.level = 1 - tail)$conf.int[1:2]
    limits <- hybrid(k1, n1, k0, n0, level)
    if (k1 / n1 > k0 / n0) limits[1] else -limits[2]
  }
  uniroot(nearest, c(1e-13, 1 - 1e-9), tol = 1e-13)$root
}

# Agresti and Min: the two-sided score test inverted, its nuisance share on a grid. The likeliest
# shares with a difference are searched for, not solved for.
unconditional <- function(k1, n1, k0, n0) {
  tables <- expand.grid(a = 0:n1, b = 0:n0)
  likeliest <- function(a, b, delta) {
    loss <- function(p) -dbinom(a, n1, p + delta, log = TRUE) - dbinom(b, n0, p, log = TRUE)
    ends <- c(max(0, -delta), min(1, 1 - delta))
    optimize(loss, ends, tol = 1e-12)$minimum
  }
  p_value <- function(delta) {
    p <- mapply(likeliest, tables$a, tables$b, MoreArgs = list(delta = delta))
    variance <- (p + delta) * (1 - p - delta) / n1 + p * (1 - p) / n0
    z <- abs(tables$a / n1 - tables$b / n0 - delta) / sqrt(variance)
    far <- z >= z[tables$a == k1 & tables$b == k0] * (1 - 1e-6)
    nuisance <- seq(max(0, -delta), min(1, 1 - delta), length.out = 201)
    max(sapply(nuisance, function(p) {
      sum(dbinom(tables$a[far], n1, min(max(p + delta, 0), 1)) * dbinom(tables$b[far], n0, p))
    }))
  }
  gap <- k1 / n1 - k0 / n0
  end <- function(outside) {
    steps <- seq(outside, gap, length.out = 15)
    at <- which(sapply(steps[-length(steps)], p_value) >= 0.05)
    kept <- if (length(at)) steps[at[1]] else gap
    out <- if (length(at)) steps[at[1] - 1] else steps[length(steps) - 1]
    for (i in 1:20) {
      middle <- (kept + out) / 2
      if (p_value(middle) >= 0.05) kept <- middle else out <- middle
    }
    kept
  }
  list(counts = c(k1, n1, k0, n0), limits = c(end(-0.999), end(0.999)), p_none = p_value(0))
}
central <- function(test) min(1, 2 * min(test("less")$p.value, test("greater")$p.value))

tables <- list(c(56, 70, 48, 80), c(402, 1004, 271, 1003), c(9, 40, 2, 35), c(3, 100, 8, 90))
two <- lapply(tables, function(k) {
  table <- matrix(c(k[1], k[2] - k[1], k[3], k[4] - k[3]), 2)
  fisher <- fisher.test(table)
  list(counts = k, newcombe = hybrid(k[1], k[2], k[3], k[4], score),
       exact = hybrid(k[1], k[2], k[3], k[4], exact),
       exact_p = inverted(k[1], k[2], k[3], k[4]),
       fisher_p = central(function(side) fisher.test(table, alternative = side)), fisher_odds = fisher$conf.int[1:2])
})
against_fixed <- list(yes = 4, n = 60, fixed = 0.2, 
                      p = central(function(side) binom.test(4, 60, 0.2, side)))

unconditional_differences <- list(unconditional(4, 9, 1, 11), unconditional(3, 8, 0, 10),
                                  unconditional(2, 7, 5, 8))

age <- rbind(c(80, 142, 183, 219, 185, 195), c(183, 209, 213, 216, 113, 69))
sex <- rbind(c(432, 572), c(504, 499))
chi <- function(x) {
  found <- chisq.test(x, correct = FALSE)
  list(statistic = unname(found$statistic), df = unname(found$parameter), p = found$p.value)
}

levels <- c("E", "D", "C", "B", "A")
people <- rbind(c(100, 221, 402, 261, 20), c(341, 271, 271, 90, 30))
frame <- expand.grid(member = c(1, 0), class = levels, stringsAsFactors = FALSE)
frame$n <- as.vector(people)
frame$class <- factor(frame$class, levels, ordered = TRUE)
fit <- ordinal::clm(class ~ member, weights = n, data = frame, control = tight)
freed <- ordinal::clm(class ~ 1, nominal = ~member, weights = n, data = frame, control = tight)
ordered <- c(clm_record(fit),
             list(likelihood_ratio = 2 * as.numeric(logLik(freed) - logLik(fit)),
                  cumulative_odds = sapply(4:1, function(cut) {
                    up <- rowSums(people[, (cut + 1):5, drop = FALSE])
                    low <- rowSums(people[, 1:cut, drop = FALSE])
                    up[1] * low[2] / (low[1] * up[2])
                  })))

write_fixture(list(one = one, two = two, unconditional = unconditional_differences,
                   against_fixed = against_fixed, age = chi(age),
                   sex = chi(sex), ordered = ordered), "printed")
