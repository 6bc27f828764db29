# Normalised power prior and robust mixture by numerical integration over the shares themselves:
# nothing here is conjugate, and the three shares keep their covariance, which is survey's.
source("tests/r/common.R")

tight <- function(f, lower, upper) {
  integrate(f, lower, upper, rel.tol = 1e-10, subdivisions = 2000L)$value
}
# Integrals over [0, 1] of what is narrow about `at`.
narrow <- function(f, at, width) {
  cuts <- sort(unique(pmin(pmax(c(0, at - 8 * width, at, at + 8 * width, 1), 0), 1)))
  sum(mapply(function(lower, upper) tight(f, lower, upper), head(cuts, -1), tail(cuts, -1)))
}
# Posterior of the discount from its marginal likelihood, prior uniform; in the root, where a
# posterior near 0 is no peak.
discount_record <- function(marginal) {
  knots <- c(0, sqrt(seq_len(10) / 10))
  in_root <- function(u) 2 * u * sapply(u^2, marginal)
  parts <- mapply(function(lower, upper) tight(in_root, lower, upper),
                  head(knots, -1), tail(knots, -1))
  total <- sum(parts)
  below <- function(u) tight(in_root, 0, u) / total
  quantile <- function(prob) {
    uniroot(function(u) below(u) - prob, c(1e-6, 1), tol = 1e-10)$root^2
  }
  list(total = total, mean = tight(function(u) u^2 * in_root(u), 0, 1) / total,
       lower = quantile(0.025), upper = quantile(0.975), tenths = parts / total)
}

normal_case <- function(shares, cov) {
  own <- cov[1:2, 1:2]
  precision <- solve(own)
  slopes <- drop(precision %*% cov[1:2, 3])
  phone_var <- cov[3, 3] - drop(slopes %*% cov[1:2, 3])
  # What the phone interviews measure, on the scale where the in-person answer is shares[2], and the
  # gap: two coordinates of (members, comparison).
  to <- rbind(c(0, 1) - slopes, c(1, -1))
  back <- solve(to)
  in_sd <- sqrt(drop(to[1, ] %*% own %*% to[1, ]))
  gap_sd <- sqrt(drop(to[2, ] %*% own %*% to[2, ]))
  offset <- function(x) x - shares[2]
  gaps <- shares[1] - shares[2] + gap_sd * seq(-9, 9, length.out = 721)
  step <- gaps[2] - gaps[1]
  in_person <- function(x) {
    # Density of (members, comparison) at a share x and every gap, in these coordinates.
    away <- back %*% rbind(offset(x), gaps - (shares[1] - shares[2]))
    exp(-0.5 * colSums(away * (precision %*% away))) / (2 * pi * sqrt(det(own))) * abs(det(back))
  }
  phone <- function(x) (shares[3] - x)^2 / (2 * phone_var)
  alone <- function(a) {
    if (a == 0) 1 else narrow(function(x) exp(-a * phone(x)), shares[3], sqrt(phone_var / a))
  }
  # Shares within reach, midpoints.
  ends <- pmin(pmax(range(shares[2:3]) + c(-9, 9) * in_sd, 0), 1)
  edges <- seq(ends[1], ends[2], length.out = 2001)
  at <- (head(edges, -1) + tail(edges, -1)) / 2
  width <- edges[2] - edges[1]
  table <- t(sapply(at, in_person))
  of_share <- rowSums(table) * step
  misfit <- phone(at)
  marginal <- function(a) sum(of_share * exp(-a * misfit)) * width / alone(a)
  found <- discount_record(marginal)
  gap_record <- function(weight) {
    density <- drop(weight %*% table)
    density <- density / (sum(density) * step)
    curve <- splinefun(gaps, density)
    mean <- sum(gaps * density) * step
    quantile <- function(prob) {
      uniroot(function(q) tight(curve, gaps[1], q) - prob, range(gaps), tol = 1e-10)$root
    }
    list(estimate = mean, std_error = sqrt(sum((gaps - mean)^2 * density) * step),
         lower = quantile(0.025), upper = quantile(0.975))
  }
  # Simpson in the root of the discount.
  roots <- seq(0, 1, length.out = 401)
  simpson <- rep(2, 401)
  simpson[seq(2, 400, 2)] <- 4
  simpson[c(1, 401)] <- 1
  shares_at <- vapply(roots^2, function(a) exp(-a * misfit) / alone(a), at)
  averaged <- gap_record(drop(shares_at %*% (simpson * roots)))
  fixed <- lapply(c(0, 0.3, 1), function(a) gap_record(exp(-a * misfit)))
  informed <- exp(-misfit) / alone(1)
  likelihood <- splinefun(at, of_share)
  mixtures <- lapply(list(c(1, 1), c(0.5, 0.5)), function(vague) {
    lapply(c(0.8, 0.5, 0.2), function(weight) {
      prior <- weight * informed + (1 - weight) * dbeta(at, vague[1], vague[2])
      first <- tight(function(x) likelihood(x) * exp(-phone(x)) / alone(1), ends[1], ends[2])
      other <- tight(function(x) likelihood(x) * dbeta(x, vague[1], vague[2]), ends[1], ends[2])
      c(list(weight = weight, vague = vague,
             phone_weight = weight * first / (weight * first + (1 - weight) * other)),
        gap_record(prior))
    })
  })
  list(shares = shares, cov = cov, discount = found[-1], averaged = averaged, fixed = fixed,
       mixtures = do.call(c, mixtures))
}

beta_case <- function(phone, people) {
  powered <- function(a) function(x) x^(a * phone[1]) * (1 - x)^(a * (phone[2] - phone[1]))
  spread <- function(counts) sqrt(counts[1] * (counts[2] - counts[1]) / counts[2]^3)
  marginal <- function(a) {
    prior <- powered(a)
    narrow(function(x) prior(x) * dbinom(people[1], people[2], x), people[1] / people[2],
           spread(people)) / narrow(prior, phone[1] / phone[2], spread(phone))
  }
  list(phone = phone, in_person = people, discount = discount_record(marginal)[-1])
}

mixture_case <- function(people) {
  prior <- function(x) 0.8 * dbeta(x, 11, 32) + 0.2 * dbeta(x, 1, 1)
  likelihood <- function(x) dbinom(people[1], people[2], x)
  total <- tight(function(x) prior(x) * likelihood(x), 0, 1)
  list(in_person = people,
       mean = tight(function(x) x * prior(x) * likelihood(x), 0, 1) / total,
       weight = tight(function(x) 0.8 * dbeta(x, 11, 32) * likelihood(x), 0, 1) / total)
}

# Three shares standardised to the members' levels of one factor, their covariance from the totals
# of one clustered design: infert, every third person of the comparison group taken as called.
joint_case <- function() {
  infert <- read.csv(file.path(data_dir, "infert.csv"))
  infert$w <- 0.5 + ((seq_len(nrow(infert)) - 1) %% 7) / 4
  infert$cluster <- infert$parity * 5 + infert$age %% 5
  infert$group <- ifelse(infert$spontaneous > 0, 1, ifelse(seq_len(nrow(infert)) %% 3 == 0, 3, 2))
  cells <- expand.grid(group = 1:3, level = sort(unique(infert$induced)))
  inside <- mapply(function(group, level) infert$group == group & infert$induced == level,
                   cells$group, cells$level)
  totals <- cbind(inside * 1, inside * infert$case)
  colnames(totals) <- paste0("t", seq_len(ncol(totals)))
  design <- survey::svydesign(ids = ~cluster, weights = ~w, data = cbind(infert, totals))
  found <- survey::svytotal(reformulate(colnames(totals)), design)
  shares <- function(t) {
    size <- matrix(t[seq_len(nrow(cells))], 3)
    yes <- matrix(t[nrow(cells) + seq_len(nrow(cells))], 3)
    drop((yes / size) %*% (size[1, ] / sum(size[1, ])))
  }
  at <- numDeriv::jacobian(shares, coef(found))
  list(shares = shares(coef(found)), cov = unname(at %*% vcov(found) %*% t(at)),
       n_clusters = length(unique(infert$cluster)))
}

shared <- matrix(c(4, 1, 0.5, 1, 4, 0.8, 0.5, 0.8, 9), 3) * 1e-4
apart <- diag(c(2.4, 2, 8)) * 1e-4
write_fixture(list(
  normal = list(normal_case(c(0.40, 0.27, 0.28), shared), normal_case(c(0.40, 0.27, 0.33), shared),
                normal_case(c(0.40, 0.27, 0.45), shared), normal_case(c(0.61, 0.62, 0.57), apart),
                normal_case(c(0.05, 0.025, 0.03), diag(c(0.5, 0.4, 1.2)) * 1e-4)),
  beta = list(beta_case(c(70, 250), c(271, 1003)), beta_case(c(95, 250), c(271, 1003)),
              beta_case(c(4, 20), c(5, 20))),
  mixture = list(mixture_case(c(5, 20)), mixture_case(c(15, 20))),
  joint = joint_case()
), "borrow")
