declare module "*.css";
declare module "*.svg" {
  const url: string;
  export default url;
}
// Trusted Types and keyboard lock are not in every TypeScript DOM library.
interface Window {
  trustedTypes?: {
    createPolicy(name: string, rules: { createScriptURL(url: string): string }): {
      createScriptURL(url: string): string;
    };
  };
}
interface Navigator {
  keyboard?: { lock(codes?: string[]): Promise<void>; unlock(): void };
}
