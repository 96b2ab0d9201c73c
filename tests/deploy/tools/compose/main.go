// Reads a compose file with the library that `docker compose` itself reads it with, and prints what it understands as
// JSON: files included, variables put in, env files read, and only the services of the given profiles.
//
//	compose FOLDER [PROFILE…]
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	options, err := cli.NewProjectOptions(nil,
		cli.WithWorkingDirectory(os.Args[1]),
		cli.WithOsEnv,
		cli.WithEnvFiles(),
		cli.WithDotEnv,
		cli.WithDefaultConfigPath,
		cli.WithName("billing"),
		cli.WithProfiles(os.Args[2:]),
	)
	if err == nil {
		project, loadErr := options.LoadProject(context.Background())
		if err = loadErr; err == nil {
			text, jsonErr := project.MarshalJSON()
			fmt.Println(string(text))
			err = jsonErr
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
