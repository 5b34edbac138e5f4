// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc++/server.h
//
// The old name of grpcpp/server.h.
#ifndef GRPCXX_SERVER_H_
#define GRPCXX_SERVER_H_

#include "grpcpp/server.h"

#endif  // GRPCXX_SERVER_H_
