// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: cli/watch/table.h
//
// The lines in which a person reads a summary, for a screen or a pipe.
#ifndef LAUBERHORN_CLI_WATCH_TABLE_H_
#define LAUBERHORN_CLI_WATCH_TABLE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "cli/watch/tally.h"

namespace lauberhorn::cli {

struct Row {
  enum class Kind { kTitle, kHeading, kText };
  Kind kind;
  std::string text;
  // Where a strip of letters of kDoingLetters begins, to the end of the text;
  // the length of the text if there is none.
  std::size_t strip;
};

// A title, a row for each CPU, and one for each endpoint that has a thread, or
// had one. The first `head_rows` are those before the endpoints' own.
struct Table {
  std::vector<Row> rows;
  std::size_t head_rows;
};
Table TableOf(const Summary& summary);

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_WATCH_TABLE_H_
