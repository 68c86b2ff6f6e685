//! Tables of permissions, and who gets in.

mod auth;
mod permissions;
mod replies;
