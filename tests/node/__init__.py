"""What needs Node.js and npm: `make docs-check`, which installs the packages first."""
