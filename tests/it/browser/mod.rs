//! The hosted pages in a real browser: Chromium, without a window, driven over WebDriver.
//!
//! Needs `chromium` and `chromedriver` (Debian: `chromium`, `chromium-driver`). Where they are absent
//! these tests say so and pass, unless `BROWSER_TESTS=required`. What was seen is kept as pictures
//! under `target/browser`.

mod accessibility;
mod elsewhere;
mod endings;
mod journey;
mod self_care;
mod steps;
mod window;
