// For what is written as if process were always there.
import process from "process";
export { process };
