# libprimemath: the layers number and lattice as a library of their own, shared and static, with what
# they need of the layers below. Installed alone by: cmake --install build --component primemath
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(primemath_layers number lattice)
set(primemath_support base threads kernels)
list(TRANSFORM primemath_layers REPLACE "(.+)" "$<TARGET_OBJECTS:cllm_\\1>" OUTPUT_VARIABLE own_objects)
list(TRANSFORM primemath_support REPLACE "(.+)" "$<TARGET_OBJECTS:cllm_\\1>" OUTPUT_VARIABLE support_objects)
list(TRANSFORM primemath_support PREPEND cllm_ OUTPUT_VARIABLE support_libraries)
set(primemath_libraries gmpxx gmp mpfr fplll primesieve fmt pthread)

# Of the layers below, the shared library takes only what is used, and keeps it to itself.
add_library(primemath SHARED ${own_objects})
set_target_properties(primemath PROPERTIES LINKER_LANGUAGE CXX
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
  LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/primemath/symbols.map)
target_link_libraries(primemath PRIVATE cllm_compiler ${support_libraries} ${primemath_libraries}
  INTERFACE $<$<LINK_LANGUAGE:CXX>:gmpxx gmp fmt>)  # which the C++ headers use themselves
target_link_options(primemath PRIVATE -Wl,--as-needed
  -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/primemath/symbols.map)

add_library(primemath_static STATIC ${own_objects} ${support_objects})
set_target_properties(primemath_static PROPERTIES LINKER_LANGUAGE CXX OUTPUT_NAME primemath
  EXPORT_NAME static)
target_link_libraries(primemath_static INTERFACE ${primemath_libraries})

foreach(library primemath primemath_static)
  target_compile_features(${library} INTERFACE cxx_std_20)
  # C++ headers name each other "layer/file.h", C headers "primemath/file.h".
  target_include_directories(${library} INTERFACE
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/primemath>)
endforeach()

# Headers: the C interface, the two layers without what is internal, and the few below that they show.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/primemath COMPONENT primemath
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
foreach(layer ${primemath_layers})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/${layer} COMPONENT primemath
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/primemath FILES_MATCHING PATTERN *.h
    PATTERN c_guard.h EXCLUDE PATTERN *_steps.h EXCLUDE PATTERN *_inl.h EXCLUDE)
endforeach()
foreach(header base/check.h base/error.h threads/pool.h)
  cmake_path(GET header PARENT_PATH folder)
  install(FILES ${PROJECT_SOURCE_DIR}/src/${header} COMPONENT primemath
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/primemath/${folder})
endforeach()

install(TARGETS primemath primemath_static EXPORT primemath COMPONENT primemath
  LIBRARY NAMELINK_COMPONENT primemath)
set(primemath_cmake ${CMAKE_INSTALL_LIBDIR}/cmake/primemath)
install(EXPORT primemath NAMESPACE primemath:: DESTINATION ${primemath_cmake} COMPONENT primemath
  FILE primemathTargets.cmake)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/primemath/primemathConfig.cmake.in
  ${PROJECT_BINARY_DIR}/primemathConfig.cmake INSTALL_DESTINATION ${primemath_cmake})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/primemathConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/primemathConfig.cmake
  ${PROJECT_BINARY_DIR}/primemathConfigVersion.cmake DESTINATION ${primemath_cmake}
  COMPONENT primemath)

list(TRANSFORM primemath_libraries PREPEND -l OUTPUT_VARIABLE primemath_private_libraries)
list(JOIN primemath_private_libraries " " primemath_private_libraries)
# The way from the .pc file to the prefix, so that an installed tree may be moved.
cmake_path(SET up NORMALIZE "/${CMAKE_INSTALL_LIBDIR}/pkgconfig")
cmake_path(RELATIVE_PATH "CMAKE_INSTALL_PREFIX" BASE_DIRECTORY
  "${CMAKE_INSTALL_PREFIX}${up}" OUTPUT_VARIABLE primemath_prefix)
foreach(module primemath primemath++)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/primemath/${module}.pc.in
    ${PROJECT_BINARY_DIR}/${module}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${module}.pc COMPONENT primemath
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
