// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The command lines of server and client.
#ifndef EXAMPLES_GREETER_OPTIONS_H_
#define EXAMPLES_GREETER_OPTIONS_H_

#include <string>

struct ServerOptions {
  std::string address = "0.0.0.0:50051";
};

struct ClientOptions {
  std::string target = "localhost:50051";
  std::string name = "world";
  long requests = 0;  // 0: one greeting, not measured
  long warmup = 100;
  int threads = 1;
  long deadline_ms = 0;  // 0: none
  long interval_ms = 0;
  bool keep_going = false;
  std::string csv;  // empty: none
};

// End the program for --help and for mistakes.
ServerOptions ParseServerOptions(int argc, char** argv);
ClientOptions ParseClientOptions(int argc, char** argv);

#endif  // EXAMPLES_GREETER_OPTIONS_H_
