// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/watch/screen.h"

#include <ncurses.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn::cli {
namespace {

constexpr char kKeys[] = "q quit   space pause   up, down scroll";

// Of each letter of kDoingLetters; pair 0 is the terminal's own.
constexpr short kColours[kDoings] = {COLOR_BLUE, COLOR_YELLOW, COLOR_WHITE,
                                     COLOR_GREEN, COLOR_RED};

chtype StripCell(char letter) {
  const char* const found = std::strchr(kDoingLetters, letter);
  const auto cell = static_cast<chtype>(static_cast<unsigned char>(letter));
  if (found == nullptr || !has_colors()) return cell;
  return cell | static_cast<chtype>(COLOR_PAIR(found - kDoingLetters + 1));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Screen>> Screen::Open() {
  if (newterm(nullptr, stdout, stdin) == nullptr) {
    const char* const name = std::getenv("TERM");
    return absl::UnavailableError(
        absl::StrCat("cannot draw on a terminal of kind '",
                     name == nullptr ? "" : name, "'; --plain writes lines"));
  }
  cbreak();
  noecho();
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  curs_set(0);
  if (has_colors()) {
    start_color();
    use_default_colors();
    for (short at = 0; at < kDoings; ++at) {
      init_pair(static_cast<short>(at + 1), kColours[at], -1);
    }
  }
  return std::unique_ptr<Screen>(new Screen);
}

Screen::~Screen() { endwin(); }

void Screen::Show(Table table) {
  if (paused_) return;
  table_ = std::move(table);
  Draw();
}

bool Screen::HandleKeys() {
  for (int key = getch(); key != ERR; key = getch()) {
    switch (key) {
      case 'q':
      case 'Q':
        return false;
      case ' ':
        paused_ = !paused_;
        break;
      case KEY_DOWN:
        ++scrolled_;
        break;
      case KEY_UP:
        scrolled_ -= std::min<std::size_t>(scrolled_, 1);
        break;
      case KEY_NPAGE:
        scrolled_ += 10;
        break;
      case KEY_PPAGE:
        scrolled_ -= std::min<std::size_t>(scrolled_, 10);
        break;
      default:  // KEY_RESIZE among them
        break;
    }
    Draw();
  }
  return true;
}

void Screen::DrawRow(int line, const Row& row) {
  const chtype look = row.kind == Row::Kind::kTitle     ? A_BOLD
                      : row.kind == Row::Kind::kHeading ? A_REVERSE
                                                        : A_NORMAL;
  attrset(static_cast<int>(look));
  // Without the last column, in which a character would scroll the terminal.
  const auto width = static_cast<std::size_t>(std::max(COLS - 1, 0));
  mvaddnstr(line, 0, row.text.c_str(),
            static_cast<int>(std::min(row.strip, width)));
  for (std::size_t at = row.strip; at < std::min(row.text.size(), width);
       ++at) {
    addch(StripCell(row.text[at]));
  }
}

void Screen::Draw() {
  erase();
  const auto lines = static_cast<std::size_t>(std::max(LINES, 1)) - 1;
  const std::size_t head = std::min(table_.head_rows, lines);
  const std::size_t all = table_.rows.size();
  const std::size_t shown = std::min(all - table_.head_rows, lines - head);
  scrolled_ = std::min(scrolled_, all - table_.head_rows - shown);
  for (std::size_t line = 0; line < head + shown; ++line) {
    const std::size_t row = line < head ? line : line + scrolled_;
    DrawRow(static_cast<int>(line), table_.rows[row]);
  }
  attrset(A_DIM);
  mvaddnstr(LINES - 1, 0,
            absl::StrCat(kKeys, paused_ ? "   (paused)" : "").c_str(),
            std::max(COLS - 1, 0));
  refresh();
}

}  // namespace lauberhorn::cli
