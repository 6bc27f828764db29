# Two gaps on the same people and their joint covariance by zone: stacked lm and sandwich. The second
# answer is missing for every eleventh person.
source("tests/r/common.R")

example <- read.csv(file.path(data_dir, "example.csv"))
rows <- seq_len(nrow(example))
w <- 0.5 + ((rows - 1) %% 7) / 4
stacked <- rbind(
  data.frame(item = 0, y = as.numeric(example$trusted_person == 1), member = example$member,
             zone = example$zone, w = w),
  data.frame(item = 1, y = as.numeric(example$ses_class %in% c("A", "B")),
             member = example$member, zone = example$zone, w = w)[rows %% 11 != 0, ]
)
fit <- lm(y ~ factor(item) * member, data = stacked, weights = w)
v <- sandwich::vcovCL(fit, cluster = stacked$zone, type = "HC0", cadjust = TRUE)
shares <- c(0, 0.25, 0.5, 0.75, 1)
# Gap of the first, less a share of the second's: member - share * (member + item:member).
contrast <- sapply(shares, function(s) c(0, 0, 1 - s, -s))
result <- list(
  shares = shares,
  estimate = as.vector(coef(fit) %*% contrast),
  std_error = sqrt(diag(t(contrast) %*% v %*% contrast))
)
write_fixture(result, "control")
