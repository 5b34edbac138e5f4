# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors

# What `cmake --install` puts where, below the prefix:
#
#   include/lauberhorn/*.h              the native API
#   include/lauberhorn/abi/{host,wire}  the contract
#   include/lauberhorn-compat/{grpcpp,grpc++,grpc}  the gRPC-compatible API, in
#       a folder of its own so that gRPC's headers are hidden only from who links
#       this library
#   lib/liblauberhorn.*, bin/*, sbin/*  what the rooms register as installed
#   lib/cmake/Lauberhorn, lib/pkgconfig how others find all of it
include(CMakePackageConfigHelpers)

# Whatever the umask, everybody may read what is installed.
set(CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
    WORLD_EXECUTE)

install(
  DIRECTORY abi/host abi/wire
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/lauberhorn/abi
  FILES_MATCHING
  PATTERN "*.h"
  PATTERN "testing" EXCLUDE)
install(
  DIRECTORY librpc/include/lauberhorn
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING
  PATTERN "*.h")
install(
  DIRECTORY librpc/compat/grpcpp librpc/compat/grpc++ librpc/compat/grpc
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/lauberhorn-compat
  FILES_MATCHING
  PATTERN "*.h")

get_property(targets GLOBAL PROPERTY LAUBERHORN_INSTALLED_TARGETS)
get_property(daemons GLOBAL PROPERTY LAUBERHORN_INSTALLED_DAEMONS)
# Builds what is installed and nothing else.
add_custom_target(lauberhorn_installed DEPENDS ${targets} ${daemons})

install(
  TARGETS ${targets}
  EXPORT LauberhornTargets
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})

if(daemons)
  install(TARGETS ${daemons} RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Lauberhorn)
install(
  EXPORT LauberhornTargets
  NAMESPACE Lauberhorn::
  DESTINATION ${package_dir})
configure_package_config_file(
  cmake/LauberhornConfig.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/LauberhornConfig.cmake
  INSTALL_DESTINATION ${package_dir}
  NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(
  ${CMAKE_CURRENT_BINARY_DIR}/LauberhornConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/LauberhornConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/LauberhornConfigVersion.cmake
              cmake/LauberhornGenerate.cmake DESTINATION ${package_dir})

# pkg-config: the same dependencies under the names that Debian gives them.
get_property(deps GLOBAL PROPERTY LAUBERHORN_INSTALLED_DEPS)
set(pc_requires "")
set(pc_libs "")
foreach(dep IN LISTS deps)
  if(dep MATCHES "^absl::(.+)$")
    list(APPEND pc_requires absl_${CMAKE_MATCH_1})
  elseif(dep STREQUAL "protobuf::libprotobuf")
    list(APPEND pc_requires protobuf)
  elseif(dep STREQUAL "OpenSSL::Crypto")
    list(APPEND pc_requires libcrypto)
  elseif(dep MATCHES "^PkgConfig::(.+)$")
    list(APPEND pc_requires ${CMAKE_MATCH_1})
  elseif(dep STREQUAL "Threads::Threads")
    string(APPEND pc_libs " -pthread")
  else()
    message(FATAL_ERROR "lauberhorn.pc: say in cmake/LauberhornInstall.cmake "
                        "what pkg-config calls '${dep}'")
  endif()
endforeach()
list(JOIN pc_requires " " pc_requires)
# The path from the folder of the .pc file up to the prefix, so that an
# installed tree can be moved.
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
string(REGEX REPLACE "[^/]+" ".." pc_up "${pc_dir}")
configure_file(cmake/lauberhorn.pc.in ${CMAKE_CURRENT_BINARY_DIR}/lauberhorn.pc
               @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/lauberhorn.pc DESTINATION ${pc_dir})
