//! SimpleScaleVM.
