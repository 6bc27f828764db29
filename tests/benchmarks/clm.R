# Seconds of ordinal::clm on people and on cells, the fastest of several, and its first slope.
arguments <- commandArgs(trailingOnly = TRUE)
suppressPackageStartupMessages(library(ordinal))
people <- read.csv(arguments[1])
repeats <- as.integer(arguments[2])
people$outcome <- ordered(people$outcome)
for (name in c("region", "age", "sex", "education")) people[[name]] <- factor(people[[name]])
cells <- aggregate(list(n = rep(1, nrow(people))),
                   people[c("outcome", "member", "region", "age", "sex", "education")], sum)
fastest <- function(call) min(sapply(seq_len(repeats), function(i) system.time(call())[["elapsed"]]))
fit <- clm(outcome ~ member + region + age + sex + education, data = people)
cat(fastest(function() clm(outcome ~ member + region + age + sex + education, data = people)),
    fastest(function() clm(outcome ~ member + region + age + sex + education, data = cells, weights = n)),
    sprintf("%.12f", fit$beta[["member"]]))
