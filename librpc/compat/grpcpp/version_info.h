// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/version_info.h
//
// The version of gRPC whose API this is.
//
// Thread-safety, blocking, ownership: constants.
#ifndef GRPCPP_VERSION_INFO_H_
#define GRPCPP_VERSION_INFO_H_

#define GRPC_CPP_VERSION_MAJOR 1
#define GRPC_CPP_VERSION_MINOR 51
#define GRPC_CPP_VERSION_PATCH 1
#define GRPC_CPP_VERSION_TAG ""
#define GRPC_CPP_VERSION_STRING "1.51.1"

#endif  // GRPCPP_VERSION_INFO_H_
