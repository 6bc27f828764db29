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

# Slopes, freed slopes (clm adds them to the thresholds: minus ours) column by column, thresholds.
freed_record <- function(fit, freed, robust) {
  k <- length(fit$beta)
  cuts <- ncol(fit$alpha.mat)
  rows <- match(freed, rownames(fit$alpha.mat))
  at <- matrix(seq_along(fit$alpha.mat), nrow(fit$alpha.mat), byrow = TRUE)
  order <- c(length(fit$alpha.mat) + seq_len(k), t(at[rows, , drop = FALSE]), at[1, ])
  sign <- c(rep(1, k), rep(-1, length(rows) * cuts), rep(1, cuts))
  params <- coef(fit)[order] * sign
  cov <- unname(vcov(fit)[order, order]) * outer(sign, sign)
  list(params = unname(params), std_errors = sqrt(diag(cov)),
       log_likelihood = as.numeric(logLik(fit)),
       cluster_std_errors = unname(sqrt(diag(robust))[order]))
}

# A clm fit (logit) whose membership, column 1 of x, is free by threshold, the other columns of x
# not: its record, and its margins standardised over each of `targets`, with clusters as above. clm
# has no scores of nominal effects for sandwich: each row's log-likelihood is differentiated.
free_record <- function(fit, x, answer, weight, cluster, targets) {
  cuts <- ncol(fit$alpha.mat)
  covariates <- x[, -1, drop = FALSE]
  shares <- function(params, member) {
    alpha <- matrix(params[seq_len(2 * cuts)], 2, byrow = TRUE)
    eta <- cbind(1, rep_len(member, nrow(x))) %*% alpha -
      as.vector(covariates %*% params[-seq_len(2 * cuts)])
    at <- plogis(eta)
    cbind(at, 1) - cbind(0, at)
  }
  both <- function(params) cbind(shares(params, 1), shares(params, 0))
  cell <- cbind(seq_along(answer), as.integer(answer))
  scores <- numDeriv::jacobian(function(p) weight * log(shares(p, x[, 1])[cell]), coef(fit))
  scatter <- function(influence) {
    sums <- rowsum(influence, cluster)
    nrow(sums) / (nrow(sums) - 1) * crossprod(sums)
  }
  record <- freed_record(fit, colnames(x)[1], vcov(fit) %*% scatter(scores) %*% vcov(fit))
  record$n_clusters <- length(unique(cluster))
  record$standardised <- lapply(targets, function(target) {
    total <- sum(target * weight)
    margins_at <- function(params) colSums(target * weight * both(params)) / total
    margins <- margins_at(coef(fit))
    jacobian <- numDeriv::jacobian(margins_at, coef(fit))
    own <- target * weight * sweep(both(coef(fit)), 2, margins) / total
    cov <- unname(scatter(own + scores %*% vcov(fit) %*% t(jacobian)))
    list(member = margins[seq_len(cuts + 1)], comparison = margins[cuts + 1 + seq_len(cuts + 1)],
         cov = cov)
  })
  record
}
