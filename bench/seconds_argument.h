// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: bench/seconds_argument.h
//
// The command line of programs whose only argument is how long they measure.
//
//   double seconds = 20;
//   if (const int code = ReadSeconds(argc, argv, kHelp, &seconds); code >= 0) {
//     return code;
//   }
//
// Thread-safe.
#ifndef LAUBERHORN_BENCH_SECONDS_ARGUMENT_H_
#define LAUBERHORN_BENCH_SECONDS_ARGUMENT_H_

namespace lauberhorn::bench {

// Writes the argument, if there is one, to `seconds`. The program's exit code,
// if it is to end: it was asked for help, which has been printed, or what
// stands there is no time. Else negative.
int ReadSeconds(int argc, char** argv, const char* help, double* seconds);

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_SECONDS_ARGUMENT_H_
