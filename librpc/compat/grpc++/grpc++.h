// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc++/grpc++.h
//
// The old name of grpcpp/grpcpp.h.
#ifndef GRPCXX_GRPCXX_H_
#define GRPCXX_GRPCXX_H_

#include "grpcpp/grpcpp.h"

#endif  // GRPCXX_GRPCXX_H_
