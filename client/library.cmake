# What a program outside of this tree gets of the client library: one archive with all that it needs of ours, the
# headers as <blobd/client.h> and "blobd/v1/*.pb.h", the .proto files, and what pkg-config and CMake want to know.
# Installed as the component "client-dev".
include(GNUInstallDirs)

add_library(blobd_client_archive STATIC EXCLUDE_FROM_ALL
  $<TARGET_OBJECTS:blobd_client> $<TARGET_OBJECTS:blobd_proto> $<TARGET_OBJECTS:blobd_base>)
set_target_properties(blobd_client_archive PROPERTIES OUTPUT_NAME blobd-client LINKER_LANGUAGE CXX)

# The headers as they are installed, so that the examples are built as a program of somebody else is.
set(installed ${CMAKE_CURRENT_BINARY_DIR}/installed)
configure_file(client.h ${installed}/blobd/client.h COPYONLY)
add_executable(blobd_fetch examples/fetch.cc)
target_include_directories(blobd_fetch PRIVATE ${installed})
target_link_libraries(blobd_fetch PRIVATE blobd::client)
target_compile_options(blobd_fetch PRIVATE -Wall -Wextra -Werror)

if(NOT BLOBD_PACKAGE)
  return()
endif()
set(development client-dev)
install(TARGETS blobd_client_archive ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${development})
install(FILES client.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/blobd COMPONENT ${development})
install(FILES ${PROJECT_SOURCE_DIR}/proto/blobd/request_limits.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/blobd
  COMPONENT ${development})
install(DIRECTORY ${PROJECT_BINARY_DIR}/proto/blobd/v1 DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/blobd
  COMPONENT ${development} FILES_MATCHING PATTERN "*.pb.h")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/proto/blobd ${PROJECT_SOURCE_DIR}/proto/google
  DESTINATION ${CMAKE_INSTALL_DATADIR}/blobd/proto COMPONENT ${development} FILES_MATCHING PATTERN "*.proto")
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libblobd-client-dev COMPONENT ${development}
  USE_SOURCE_PERMISSIONS)
configure_file(blobd-client.pc.in blobd-client.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/blobd-client.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
  COMPONENT ${development})
configure_file(blobd-client-config.cmake.in blobd-client-config.cmake @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/blobd-client-config.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/blobd-client COMPONENT ${development})
