// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: cli/watch/screen.h
//
// A table on the terminal that standard output is, with colours if it has any.
#ifndef LAUBERHORN_CLI_WATCH_SCREEN_H_
#define LAUBERHORN_CLI_WATCH_SCREEN_H_

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "cli/watch/table.h"

namespace lauberhorn::cli {

class Screen {
 public:
  // UNAVAILABLE if the terminal cannot be used.
  static absl::StatusOr<std::unique_ptr<Screen>> Open();
  // The terminal is as before.
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // Draws the table. What does not fit below its head can be scrolled.
  void Show(Table table);

  // Does what the keys say that were pressed meanwhile; false if that was to
  // leave. Does not block.
  bool HandleKeys();

 private:
  Screen() = default;
  void Draw();
  void DrawRow(int line, const Row& row);

  Table table_ = {{}, 0};
  std::size_t scrolled_ = 0;
  bool paused_ = false;
};

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_WATCH_SCREEN_H_
