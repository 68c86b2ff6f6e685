//! Tables of permissions, and who gets in.

mod auth;
mod operator;
mod permissions;
mod replies;
