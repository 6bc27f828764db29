# Shared by the scripts of this folder. Run `Rscript tests/r/all.R` from the repository root; a
# second run writes the same bytes.

options(contrasts = c("contr.treatment", "contr.treatment"))

out_dir <- Sys.getenv("COOPGAP_R_OUT", "tests/r/fixtures")
data_dir <- Sys.getenv("COOPGAP_R_DATA", "tests/r/data")

# jsonlite stops at 15 digits: numbers are written as marked text, 17 digits, and unmarked.
write_fixture <- function(value, name) {
  mark <- function(v) array(sprintf("@%.17g@", v), if (is.null(dim(v))) length(v) else dim(v))
  marked <- rapply(value, function(v) if (length(v) == 1) c(mark(v)) else mark(v),
                   classes = c("numeric", "integer", "matrix"), how = "replace")
  text <- jsonlite::toJSON(marked, auto_unbox = TRUE, pretty = TRUE, matrix = "rowmajor")
  writeLines(gsub('"@([^"]*)@"', "\\1", text), file.path(out_dir, paste0(name, ".json")))
}

write_data <- function(frame, name) {
  write.csv(frame, file.path(data_dir, paste0(name, ".csv")), row.names = FALSE)
}

# Converged far beyond the defaults of clm.
tight <- ordinal::clm.control(gradTol = 1e-12, relTol = 1e-14, maxIter = 200L)

# A clm fit with slopes first, then thresholds.
clm_record <- function(fit, cluster = NULL) {
  k <- length(fit$beta)
  order <- c(length(fit$alpha) + seq_len(k), seq_along(fit$alpha))
  cov <- unname(vcov(fit)[order, order, drop = FALSE])
  record <- list(
    terms = names(fit$beta), slopes = unname(fit$beta), thresholds = unname(fit$alpha),
    std_errors = sqrt(diag(cov)), cov = cov, log_likelihood = as.numeric(logLik(fit)),
    max_gradient = fit$maxGradient
  )
  if (!is.null(cluster)) {
    robust <- sandwich::vcovCL(fit, cluster = cluster, type = "HC0", cadjust = TRUE)
    record$cluster_cov <- unname(robust[order, order, drop = FALSE])
    record$cluster_std_errors <- sqrt(diag(record$cluster_cov))
    record$n_clusters <- length(unique(cluster))
  }
  record
}

# Margins of a clm fit (logit) standardised over `target` rows, membership in column 1 of x, with
# the covariance of the influence functions summed by cluster (CR1). One row a person.
standardised <- function(fit, x, target, weight, cluster) {
  alpha <- fit$alpha
  beta <- fit$beta
  n_levels <- length(alpha) + 1L
  predict_rows <- function(params, rows) {
    theta <- params[seq_along(alpha)]
    slopes <- params[length(alpha) + seq_along(beta)]
    at <- plogis(outer(-as.vector(rows %*% slopes), theta, "+"))
    cbind(at, 1) - cbind(0, at)
  }
  both <- function(params) {
    one <- zero <- x
    one[, 1] <- 1
    zero[, 1] <- 0
    cbind(predict_rows(params, one), predict_rows(params, zero))
  }
  total <- sum(target * weight)
  margins_at <- function(params) colSums(target * weight * both(params)) / total
  params <- c(alpha, beta)
  margins <- margins_at(params)
  jacobian <- numDeriv::jacobian(margins_at, params)
  centred <- sweep(both(params), 2, margins)
  # estfun holds weighted scores; vcov(fit) is the inverse of the weighted information.
  influence <- target * weight * centred / total +
    sandwich::estfun(fit) %*% vcov(fit) %*% t(jacobian)
  sums <- rowsum(influence, cluster)
  n_clusters <- nrow(sums)
  cov <- n_clusters / (n_clusters - 1) * crossprod(sums)
  list(member = margins[seq_len(n_levels)], comparison = margins[n_levels + seq_len(n_levels)],
       cov = unname(cov), std_errors = sqrt(diag(cov)), n_clusters = n_clusters)
}
