# Rosenbaum bounds by base R: exact tests of stratified tables, Fisher's noncentral hypergeometric
# distribution written out, convolved set by set; stratified scores by rank() and the moments of
# simple random samples. Sets of the example are region, sex and decade of age.
source("tests/r/common.R")

tail_bound <- function(people, members, upper, observed, gamma) {
  whole <- 1
  least <- 0
  for (s in seq_along(people)) {
    at <- max(0, members[s] + upper[s] - people[s]):min(members[s], upper[s])
    pmf <- choose(upper[s], at) * choose(people[s] - upper[s], members[s] - at) * gamma^at
    pmf <- pmf / sum(pmf)
    longer <- numeric(length(whole) + length(pmf) - 1)
    for (j in seq_along(pmf)) {
      place <- j - 1 + seq_along(whole)
      longer[place] <- longer[place] + whole * pmf[j]
    }
    whole <- longer
    least <- least + at[1]
  }
  sum(whole[least + seq_along(whole) - 1 >= observed])
}

counts_of <- function(above, member, set) {
  table <- data.frame(people = as.vector(rowsum(rep(1, length(set)), set)),
                      members = as.vector(rowsum(member, set)),
                      upper = as.vector(rowsum(above, set)),
                      both = as.vector(rowsum(above * member, set)))
  table[table$members > 0 & table$members < table$people &
          table$upper > 0 & table$upper < table$people, ]
}

gammas <- c(1, 1.1, 1.25, 1.5, 2, 3)
bounds <- function(above, member, set) {
  counts <- counts_of(above, member, set)
  p <- sapply(gammas, function(g) tail_bound(counts$people, counts$members, counts$upper,
                                             sum(counts$both), g))
  root <- uniroot(function(g) tail_bound(counts$people, counts$members, counts$upper,
                                         sum(counts$both), exp(g)) - 0.025,
                  c(0, 3), tol = 1e-13)$root
  list(n_sets = nrow(counts), observed = sum(counts$both), p = p, gamma = exp(root))
}

example <- read.csv(file.path(data_dir, "example.csv"))
set <- paste(example$region, example$sex, pmin(example$age %/% 10, 7))
above <- as.numeric(example$trusted_person == 1)
sets <- counts_of(above, example$member, set)
kept <- set %in% rownames(rowsum(above, set))[as.numeric(rownames(sets))]
strata <- table(above[kept], example$member[kept], set[kept])
exact <- mantelhaen.test(strata, exact = TRUE, alternative = "greater")

infert <- read.csv(file.path(data_dir, "infert.csv"))
exposed <- as.numeric(infert$spontaneous > 0)
one_to_two <- bounds(exposed, infert$case, infert$stratum)

# One set with ties: wilcox.test without continuity correction. Many sets: ranks within each.
wilcoxon <- wilcox.test(
  match(example$ses_class, c("E", "D", "C", "B", "A"))[example$member == 1],
  match(example$ses_class, c("E", "D", "C", "B", "A"))[example$member == 0],
  alternative = "greater", exact = FALSE, correct = FALSE
)
level <- match(example$ses_class, c("E", "D", "C", "B", "A"))
statistic <- mean <- variance <- 0
for (name in unique(set)) {
  here <- which(set == name)
  n <- length(here)
  m <- sum(example$member[here])
  score <- (2 * rank(level[here]) - n - 1) / n
  statistic <- statistic + sum(score[example$member[here] == 1])
  mean <- mean + m * mean(score)
  if (n > 1) variance <- variance + m * (n - m) / n * var(score)
}
result <- list(
  trusted = bounds(above, example$member, set),
  mantel_haenszel = exact$p.value,
  one_to_two = one_to_two,
  one_to_two_mantel_haenszel = mantelhaen.test(
    table(exposed, infert$case, infert$stratum)[, , sort(unique(infert$stratum[
      ave(exposed, infert$stratum, FUN = var) > 0]))],
    exact = TRUE, alternative = "greater")$p.value,
  wilcoxon = wilcoxon$p.value,
  stratified = list(statistic = statistic, p = pnorm((statistic - mean) / sqrt(variance),
                                                     lower.tail = FALSE))
)
write_fixture(result, "rosenbaum")
