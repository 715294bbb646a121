//! Tokens and policies against those who would bend them.

#![cfg(test)]

mod attacks;
mod identity;
mod passwords;
mod policies;
mod sealing;
mod tokens;
