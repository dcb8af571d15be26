//! What Passerelle learns from transactions: labels, categories, recurrence, scores. Pure.
