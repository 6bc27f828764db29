# Type S and type M errors: the published function (Gelman and Carlin 2014, appendix) with its
# simulated exaggeration replaced by an integral over significant estimates; smallest detectable
# gaps by uniroot; the Mann-Whitney variance with ties by wilcox.test's own formula.
source("tests/r/common.R")

retrodesign <- function(A, s, alpha = .05, df = Inf) {
  z <- qt(1 - alpha / 2, df)
  p.hi <- 1 - pt(z - A / s, df)
  p.lo <- pt(-z - A / s, df)
  power <- p.hi + p.lo
  size <- function(x) abs(A + s * x) * dt(x, df)
  tail <- function(from, to) integrate(size, from, to, rel.tol = 1e-12, abs.tol = 0)$value
  found <- tail(z - A / s, Inf) + tail(-Inf, -z - A / s)
  list(gap = A, std_error = s, df = if (is.finite(df)) df else -1, power = power,
       type_s = p.lo / power, type_m = found / power / A)
}
detectable <- function(s, df) {
  z <- qt(.975, df)
  uniroot(function(A) 1 - pt(z - A / s, df) + pt(-z - A / s, df) - .8, c(0, 20 * s),
          tol = 1e-13)$root
}
cases <- list(c(.1, 3.28, Inf), c(2, 8.1, Inf), c(.05, .02, 99), c(.05, .03, 8), c(.05, .012, 18))
designs <- lapply(cases, function(v) {
  c(retrodesign(v[1], v[2], df = v[3]), detectable = detectable(v[2], v[3]))
})

# Two samples with ties, everybody counted: variance of W/(mn) as wilcox.test has it.
counts <- c(20, 50, 80, 40, 10)
total <- 2 * sum(counts)
ties <- 2 * counts
m <- sum(counts)
variance <- (m * m / 12) * ((total + 1) - sum(ties^3 - ties) / (total * (total - 1))) / (m * m)^2
result <- list(designs = designs, counts = counts, superiority_error = sqrt(variance))
write_fixture(result, "retrodesign")
