package project_test

import "github.com/weirproxy/weir/cmd/weir/project"

var all = []project.Language{project.Go, project.Rust, project.AssemblyScript, project.C}
