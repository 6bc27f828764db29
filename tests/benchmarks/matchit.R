# Seconds of MatchIt's nearest matching, by propensity score and by Mahalanobis distance.
arguments <- commandArgs(trailingOnly = TRUE)
suppressPackageStartupMessages(library(MatchIt))
people <- read.csv(arguments[1])
repeats <- as.integer(arguments[2])
fastest <- function(call) min(sapply(seq_len(repeats), function(i) system.time(call())[["elapsed"]]))
formula <- member ~ a + b + c
quietly <- function(...) suppressWarnings(matchit(formula, data = people, method = "nearest", ...))
cat(fastest(function() quietly(distance = "glm", link = "linear.logit")),
    fastest(function() quietly(distance = "mahalanobis")))
