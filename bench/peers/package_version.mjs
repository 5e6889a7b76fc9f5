import fs from 'node:fs'

// The version of an installed package.
export function packageVersion (name) {
  const file = new URL(`./node_modules/${name}/package.json`, import.meta.url)
  return JSON.parse(fs.readFileSync(file)).version
}
