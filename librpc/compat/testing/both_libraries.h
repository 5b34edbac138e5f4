// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The two halves of both_libraries_test: each is compiled against the headers
// of one library only.
#ifndef LIBRPC_COMPAT_TESTING_BOTH_LIBRARIES_H_
#define LIBRPC_COMPAT_TESTING_BOTH_LIBRARIES_H_

#include <string>

// A server and a client of the library, and one call between them. The text
// that came back, or the error.
std::string EchoThroughGrpc(const std::string& text);
std::string EchoThroughLauberhorn(const std::string& text);

// What the library's functions of C make of a text: a copy of theirs, if its
// time and count of users are sound, too.
std::string CopyByGrpc(const std::string& text);
std::string CopyByLauberhorn(const std::string& text);

#endif  // LIBRPC_COMPAT_TESTING_BOTH_LIBRARIES_H_
